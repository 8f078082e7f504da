"""FM_014: dead worker holds lease."""
