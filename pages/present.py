"""For teachers: decks of scenes, one's own too."""

import streamlit as st

from lora_viz.decks.scenes import DeckError
from lora_viz.i18n.language import say
from lora_viz.ui.page import open_worked
from lora_viz.ui.presenting import DECKS, begin, own_deck, shipped_decks

left, right = open_worked(
    say("Present: what shall the room see?"),
    say(
        "A deck opens each scene at its settings and moment, large, with only the controls it needs. Page up and page "
        "down turn the scenes, so a clicker does; a scene may ask the room before it shows."
    ),
)
with right:
    for name, deck in shipped_decks().items():
        with st.container(border=True):
            st.markdown(
                say(
                    "**{title}** · {scenes} scenes. {about}",
                    title=say(deck.title),
                    scenes=len(deck.scenes),
                    about=say(deck.about),
                )
            )
            with st.container(horizontal=True):
                if st.button(say("Begin"), key=f"start_{name}", type="primary"):
                    begin(name)
                st.download_button(
                    say("Deck as TOML"),
                    (DECKS / f"{name}.toml").read_text(encoding="utf-8"),
                    f"{name}.toml",
                    "text/plain",
                    key=f"toml_{name}",
                    on_click="ignore",
                )
    given = st.file_uploader(
        say("Your own deck: a TOML file like those above, at most 64 kB"),
        type=["toml"],
        key="deck_file",
        max_upload_size=1,
    )
    if given is not None:
        try:
            own = own_deck(given.name, given.getvalue())
        except DeckError as error:
            st.error(say("{error} Nothing was opened.", error=error))
        else:
            st.markdown(
                say("**{title}** · {scenes} scenes. {about}", title=own.title, scenes=len(own.scenes), about=own.about)
            )
            if st.button(say("Begin my deck"), key="start_own", type="primary"):
                begin("own")
    st.markdown(say("**What you saw.** A deck is settings and sentences: nothing in it is executed."))
