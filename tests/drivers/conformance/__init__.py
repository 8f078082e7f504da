"""What every driver promises, in programs that run on each: a further driver adds its name to `kit.DRIVERS`."""
