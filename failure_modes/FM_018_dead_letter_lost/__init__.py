"""FM_018: dead letters are taken out to be sent again, and are lost on the way."""
