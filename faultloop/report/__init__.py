"""What people read: pure functions from model values to text. Nothing here runs, reads or writes anything."""
