"""FM_027: dead letters are sent round again for ever."""
