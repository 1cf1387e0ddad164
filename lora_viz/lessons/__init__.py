"""One concept a file, ending in its Lesson: settings in, a record, its film, its words, its figure out."""
