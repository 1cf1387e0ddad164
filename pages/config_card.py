"""Reference: which parameters does an adapter have?"""

import streamlit as st

from lora_viz.language import say
from lora_viz.peft_config import BIASES, INITS, TASK_TYPES, AdapterConfig, AdapterConfigError
from lora_viz.ui.budgeting import RANKS
from lora_viz.ui.choices import choose, choose_some
from lora_viz.ui.contents import LINKS
from lora_viz.ui.page import open_worked
from lora_viz.views.config_cards import cards_html, config_cards, takeaway

NAMES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "c_attn", "query", "value")

left, right = open_worked(
    say("Key parameters: what is there to choose?"),
    say("Eight choices make an adapter. α alone means nothing: only s, α over r or over √r, stands before B A."),
)
with left:
    rank = int(choose(say("Rank r"), RANKS, 8, key="rank"))
    alpha = float(choose("α", (1, 2, 4, 8, 16, 32, 64, 128), 8, key="alpha"))
    targets = choose_some(say("Target modules"), NAMES, ("q_proj", "v_proj"), key="targets")
    init = str(choose(say("Start"), INITS, "default", key="init"))
    use_rslora = st.toggle("rsLoRA: s = α/√r", key="use_rslora", bind="query-params")
    with st.expander(say("More")):
        dropout = float(choose(say("Dropout"), (0.0, 0.05, 0.1, 0.2), 0.0, key="dropout"))
        use_dora = st.toggle("DoRA", key="use_dora", bind="query-params")
        bias = str(choose(say("Bias"), BIASES, "none", key="bias"))
        task = str(choose(say("Task"), TASK_TYPES, "CAUSAL_LM", key="task_type"))

with right:
    kept: dict[str, AdapterConfig] = st.session_state.setdefault("last_config", {})
    try:
        kept["config"] = AdapterConfig(
            rank=rank,
            alpha=alpha,
            target_modules=targets,
            dropout=dropout,
            init=init,
            use_rslora=use_rslora,
            use_dora=use_dora,
            bias=bias,
            task_type=task,
            fan_in_fan_out="c_attn" in targets,
        )
    except AdapterConfigError as error:
        st.error(say("{error} The last configuration that fitted is shown.", error=error))
    config = kept.get("config", AdapterConfig())
    record = config_cards(config, LINKS)
    st.html(cards_html(record))
    st.markdown(say("**What you saw.** {seen}", seen=takeaway(record)))
    python, plain = st.columns(2, gap="medium")
    python.caption(say("For PEFT, in Python"))
    python.code(config.as_python(), language="python")
    plain.caption("adapter_config.json")
    plain.code(config.as_json(), language="json")
