"""FM_024: a handler swallows its cancellation."""
