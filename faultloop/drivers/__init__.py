"""Where it happens: the only layer, with the world, that knows asyncio's and trio's insides."""
