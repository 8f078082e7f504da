"""FM_032: a unique key outlives its job, and whatever has that key is refused from then on."""
