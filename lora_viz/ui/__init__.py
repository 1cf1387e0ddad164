"""The screen: the only part of the core's neighbours that knows streamlit."""
