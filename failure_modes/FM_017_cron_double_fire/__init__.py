"""FM_017: two schedulers fire the same minute."""
