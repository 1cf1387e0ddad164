"""Moving pictures as data: panels over one playhead, packed for the browser; styles; the player; one-file HTML."""
