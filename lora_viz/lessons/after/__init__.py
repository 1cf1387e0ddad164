"""What is asked after a lesson? One question each, whose answer is read from what is on the screen or measured then."""
