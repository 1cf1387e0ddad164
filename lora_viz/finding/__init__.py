"""Finding the way: what can be searched for, where a lesson stands in a path, what belongs with it."""
