"""Many runs of one scenario: running, replaying, exploring, and the files and targets these stand on."""
