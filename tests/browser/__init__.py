"""Pages in a real browser: Chromium, as Debian packages it, without a window."""
