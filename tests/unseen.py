"""Browser tests that nobody has seen pass since the stage was built anew: skipped, and to be mended. May only shrink.

Each was written for the page as it was, or is new; whether the test or the page is wrong was not found out yet.
"""

UNSEEN: frozenset[str] = frozenset(("test_a_room_of_eight_plays_a_deck_of_five_scenes[shared]",))
MOST_UNSEEN = 1
