"""Reference: which parameters does an adapter have?"""

import streamlit as st

from lora_viz.costs.peft_config import BIASES, INITS, TASK_TYPES, AdapterConfig, AdapterConfigError
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.reference.config_card import cards_html, config_cards, takeaway
from lora_viz.ui.budgeting import RANKS
from lora_viz.ui.choices import choose, choose_some, switch
from lora_viz.ui.contents import links
from lora_viz.ui.controls import NAMES as KNOWN
from lora_viz.ui.page import open_worked

MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "c_attn", "query", "value")
NAMES = {
    **{name: KNOWN["init"][name] for name in INITS if name in KNOWN["init"]},
    "default": to_say("usual"),
    "gaussian": to_say("Gaussian"),
    "none": to_say("none"),
    "lora_only": to_say("LoRA's own"),
    "all": to_say("all"),
    "CAUSAL_LM": to_say("causal LM"),
    "SEQ_CLS": to_say("text classes"),
    "TOKEN_CLS": to_say("token classes"),
    "FEATURE_EXTRACTION": to_say("features"),
}

left, right = open_worked(
    say("Key parameters: what is there to choose?"),
    say("Eight choices make an adapter. α alone means nothing: only s, α over r or over √r, stands before B A."),
)
with left:
    rank = int(choose(say("Rank r"), RANKS, 8, key="rank"))
    alpha = float(choose("α", (1, 2, 4, 8, 16, 32, 64, 128), 8, key="alpha"))
    targets = choose_some(say("Target modules"), MODULES, ("q_proj", "v_proj"), key="targets")
    init = str(choose(say("Start"), INITS, "default", key="init", names=NAMES))
    use_rslora = switch("rsLoRA: s = α/√r", key="use_rslora")
    with st.expander(say("More")):
        dropout = float(choose(say("Dropout"), (0.0, 0.05, 0.1, 0.2), 0.0, key="dropout"))
        use_dora = switch("DoRA", key="use_dora")
        bias = str(choose(say("Bias"), BIASES, "none", key="bias", names=NAMES))
        task = str(choose(say("Task"), TASK_TYPES, "CAUSAL_LM", key="task_type", names=NAMES))

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
    record = config_cards(config, links())
    st.html(cards_html(record))
    st.markdown(say("**What you saw.** {seen}", seen=takeaway(record)))
    python, plain = st.columns(2, gap="medium")
    python.caption(say("For PEFT, in Python"))
    python.code(config.as_python(), language="python")
    plain.caption("adapter_config.json")
    plain.code(config.as_json(), language="json")
