"""The command line of aqueue."""
