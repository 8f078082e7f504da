"""What the tool comes out with: the found case itself is the claim."""
