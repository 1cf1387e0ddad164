"""What papers claim, and under which condition: one card each, and the folklore that has no paper, as data.

``seen`` says what this playground shows of it, on ``pages``; a card without pages is told, not measured. Attributions
follow the arXiv listings. Titles and authors stay as published; the other sentences are said where they are shown.
"""

from __future__ import annotations

from typing import NamedTuple

from lora_viz.i18n.language import to_say

__all__ = ["FOLKLORE", "PAPERS", "TOPICS", "Folklore", "Paper"]

TOPICS = (
    to_say("the method"),
    to_say("scaling and rates"),
    to_say("starts"),
    to_say("variants"),
    to_say("few numbers"),
    to_say("quantised"),
    to_say("theory"),
    to_say("forgetting"),
)


class Paper(NamedTuple):
    """One paper: short name, title, first author(s), year, arXiv id ("" before arXiv), topic; claim and condition."""

    name: str
    title: str
    authors: str
    year: int
    arxiv: str
    topic: str
    claims: str
    condition: str
    seen: str = ""
    pages: tuple[str, ...] = ()


class Folklore(NamedTuple):
    """A rule of thumb: what is said, and what speaks for or against it."""

    says: str
    but: str
    pages: tuple[str, ...] = ()


PAPERS = (
    Paper(
        "LoRA",
        "LoRA: Low-Rank Adaptation of Large Language Models",
        "Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang, Chen",
        2021,
        "2106.09685",
        "the method",
        to_say(
            "A frozen W with a trained BA of small rank does as well as fine-tuning; merged it costs nothing at "
            "inference."
        ),
        to_say(
            "Shown for RoBERTa, DeBERTa, GPT-2 and GPT-3 on the tasks reported there; r from 1 to 64 hardly mattered."
        ),
        to_say("W frozen exactly, B first and A after it, the exact floor of each rank, merging up to rounding error."),
        ("machine", "gradient_flow", "rank", "merge", "overlap"),
    ),
    Paper(
        to_say("Intrinsic dimension"),
        "Measuring the Intrinsic Dimension of Objective Landscapes",
        "Li, Farkhoor, Liu, Yosinski",
        2018,
        "1804.08838",
        "theory",
        to_say("Many tasks can be solved in a random subspace of the parameters of far lower dimension."),
        to_say("A low dimension of the search space, not a low rank of the update."),
        to_say("One trainable parameter, full rank: low dimension, low rank and sparse are three different things."),
        ("few_numbers",),
    ),
    Paper(
        to_say("Lottery tickets"),
        "The Lottery Ticket Hypothesis: Finding Sparse, Trainable Neural Networks",
        "Frankle, Carbin",
        2018,
        "1803.03635",
        "theory",
        to_say("A dense network holds a sparse one that trains as well from the same start."),
        to_say("Sparse, which is neither a low dimension nor a low rank."),
        to_say("The three updates of one budget side by side."),
        ("few_numbers",),
    ),
    Paper(
        to_say("Intrinsic dimension of language models"),
        "Intrinsic Dimensionality Explains the Effectiveness of Language Model Fine-Tuning",
        "Aghajanyan, Zettlemoyer, Gupta",
        2020,
        "2012.13255",
        "theory",
        to_say("Pretrained models fine-tune in few dimensions, larger models in fewer."),
        to_say("Measured for RoBERTa and its kin on sentence tasks; again dimension, not rank."),
    ),
    Paper(
        to_say("The linear autoencoder"),
        "Neural Networks and Principal Component Analysis: Learning from Examples Without Local Minima",
        "Baldi, Hornik",
        1989,
        "",
        "theory",
        to_say("A linear autoencoder has no local minima but the global one, which spans the principal subspace."),
        to_say("The subspace, not its axes; centred data for PCA."),
        to_say("Trained live: the projector is found, the columns are arbitrary."),
        ("autoencoder",),
    ),
    Paper(
        to_say("Effective rank"),
        "The Effective Rank: A Measure of Effective Dimensionality",
        "Roy, Vetterli",
        2007,
        "",
        "theory",
        to_say("exp of the entropy of σ/Σσ is a smooth rank."),
        to_say("One of several effective ranks: they answer different questions and disagree."),
        to_say("Bound, numerical, effective and stable rank side by side."),
        ("rank", "energy_rule"),
    ),
    Paper(
        to_say("Reduced-rank regression"),
        "Reduced-rank regression for the multivariate linear model",
        "Izenman",
        1975,
        "",
        "theory",
        to_say("The best map of rank r is [M C^½]_r C^-½, with C the inputs' covariance."),
        to_say("Squared loss and a linear map; with isotropic inputs it is the truncated SVD (Eckart and Young 1936)."),
        to_say("Training reaches this floor; with ill-conditioned inputs the floor is not the truncated SVD."),
        ("rank",),
    ),
    Paper(
        to_say("Expressive power"),
        "The Expressive Power of Low-Rank Adaptation",
        "Zeng, Lee",
        2023,
        "2310.17513",
        "theory",
        to_say(
            "With enough rank on every layer LoRA turns a network into any smaller target network; ranks add over "
            "depth."
        ),
        to_say("Existence, not what training finds; rank of the order width times the ratio of depths."),
    ),
    Paper(
        "rsLoRA",
        "A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA",
        "Kalajdzievski",
        2023,
        "2312.03732",
        "scaling and rates",
        to_say("α/r slows learning at a high rank; α/√r keeps it stable."),
        to_say("Clear with SGD; with Adam the penalty of α/r is mild."),
        to_say("Slopes of the first update against r for each rule and optimiser."),
        ("scaling", "scaling_training"),
    ),
    Paper(
        "LoRA+",
        "LoRA+: Efficient Low Rank Adaptation of Large Models",
        "Hayou, Ghosh, Yu",
        2024,
        "2402.12354",
        "scaling and rates",
        to_say("B should learn faster than A, by a factor of about 16."),
        to_say("In the limit of large width; at toy width no such gain is seen."),
        to_say("A map of both learning rates: a long valley, no promise of speed."),
        ("phase_map",),
    ),
    Paper(
        "LoRA Without Regret",
        "LoRA Without Regret (thinkingmachines.ai/blog/lora)",
        "Schulman, Thinking Machines Lab",
        2025,
        "",
        "scaling and rates",
        to_say(
            "With enough capacity LoRA learns as full fine-tuning does, at about ten times its learning rate for any "
            "rank."
        ),
        to_say("Language models, all layers adapted, α/r with Adam. At toy width the factor of ten does not appear."),
        to_say(
            "One learning rate nearly suits every rank; about one bit per trainable parameter; large batches; best "
            "rates by width."
        ),
        ("scaling_training", "alpha", "capacity", "large_batch", "width"),
    ),
    Paper(
        to_say("Learning rates across ranks"),
        "Learning Rate Scaling across LoRA Ranks and Transfer to Full Finetuning",
        "Chen, Villar, Hayou",
        2026,
        "2602.06204",
        "scaling and rates",
        to_say(
            "The best learning rate stays the same at every rank, or falls as its inverse, depending on the "
            "initialisation and the scaling."
        ),
        to_say("Two regimes of an analysis in width (μA), with experiments."),
        to_say("The best learning rate against rank, for each rule."),
        ("scaling_training",),
    ),
    Paper(
        "Init[A] or Init[B]",
        "The Impact of Initialization on LoRA Finetuning Dynamics",
        "Hayou, Ghosh, Yu",
        2024,
        "2406.08447",
        "starts",
        to_say("Random A and B = 0 allows larger learning rates than the reverse."),
        to_say("Kaiming initialisation, in which B's variance is 1/(3r) and A's is 1/(3 d_in)."),
        to_say("With random factors of equal scale the difference is gone, for isotropic inputs and square layers."),
        ("init_ab",),
    ),
    Paper(
        "Beyond zero initialization",
        "Beyond Zero Initialization: Investigating the Impact of Non-Zero Initialization on LoRA Fine-Tuning Dynamics",
        "Li et al.",
        2025,
        "2505.23194",
        "starts",
        to_say(
            "A non-zero initialisation of both factors is generally harmless, and more robust to small learning rates."
        ),
        to_say("At a suitable scale: large random factors do perturb the initial output."),
        to_say("The comparison of initialisations: both random against B = 0, with the loss before the first step."),
        ("init_race",),
    ),
    Paper(
        "PiSSA",
        "PiSSA: Principal Singular Values and Singular Vectors Adaptation of Large Language Models",
        "Meng, Wang, Zhang",
        2024,
        "2404.02948",
        "starts",
        to_say("Starting from W's top singular triplets converges faster."),
        to_say("It changes the frozen weights and refits that part: not a superset of LoRA, and not always faster."),
        to_say("Same task, same seed: where it wins and where it loses."),
        ("variants", "init_race"),
    ),
    Paper(
        "MiLoRA",
        "MiLoRA: Harnessing Minor Singular Components for Parameter-Efficient LLM Finetuning",
        "Wang, Li, Wang, Chen, Chen",
        2024,
        "2406.09044",
        "starts",
        to_say("Starting from W's last singular triplets keeps what was learnt."),
        to_say("As PiSSA's, with the other end of the spectrum."),
        to_say("Beside the others on the same tasks."),
        ("variants",),
    ),
    Paper(
        "OLoRA",
        "OLoRA: Orthonormal Low-Rank Adaptation of Large Language Models",
        "Büyükakyüz",
        2024,
        "2406.01775",
        "starts",
        to_say("Starting B orthonormal, from W's QR, converges faster."),
        to_say("It changes the frozen weights."),
        to_say("The direction of the first step, compared with other initialisations."),
        ("init_alignment",),
    ),
    Paper(
        "LoRA-GA",
        "LoRA-GA: Low-Rank Adaptation with Gradient Approximation",
        "Wang, Yu, Li",
        2024,
        "2407.05000",
        "starts",
        to_say("A start from the first gradient's SVD aligns the first step with full fine-tuning's."),
        to_say("The first step; it needs one gradient of the full weights."),
        to_say("cos(ΔW, −G) of the first step against its bound."),
        ("init_alignment",),
    ),
    Paper(
        "CorDA",
        "CorDA: Context-Oriented Decomposition Adaptation of Large Language Models for Task-Aware Parameter-Efficient "
        "Fine-tuning",
        "Yang et al.",
        2024,
        "2406.05223",
        "starts",
        to_say("Decompose W weighted by the inputs' covariance."),
        to_say("It needs samples of the inputs, and changes the frozen weights."),
    ),
    Paper(
        "EVA",
        "One Initialization to Rule them All: Fine-tuning via Explained Variance Adaptation",
        "Paischer et al.",
        2024,
        "2410.07170",
        "starts",
        to_say("A from the principal directions of each layer's inputs, ranks shared out by explained variance."),
        to_say("It needs samples of the inputs."),
        to_say("The direction of its first step, compared with other initialisations."),
        ("init_alignment",),
    ),
    Paper(
        "AdaLoRA",
        "Adaptive Budget Allocation for Parameter-Efficient Fine-Tuning",
        "Zhang, Chen, Bukharin, Karampatziakis, He, Cheng, Chen, Zhao",
        2023,
        "2303.10512",
        "variants",
        to_say("Triplets are pruned while training, so that each layer gets the rank it needs."),
        to_say(
            "Importance is a smoothed |w·∂L/∂w| of each triplet, not its singular value. Not by Hu et al., as often "
            "said."
        ),
        to_say("Triplets pruned live towards the layers' true ranks."),
        ("adalora",),
    ),
    Paper(
        "DoRA",
        "DoRA: Weight-Decomposed Low-Rank Adaptation",
        "Liu et al.",
        2024,
        "2402.09353",
        "variants",
        to_say("Training the magnitude and the direction of each row separately comes closer to full fine-tuning."),
        to_say("Exact where only magnitudes change; elsewhere like LoRA, with d_out more parameters."),
        to_say("Exact where only rows are rescaled, on the same tasks as the others."),
        ("dora", "variants"),
    ),
    Paper(
        "LoRA-FA",
        "LoRA-FA: Memory-efficient Low-rank Adaptation for Large Language Models Fine-tuning",
        "Zhang, Zhang, Shi, Chu, Li",
        2023,
        "2308.03303",
        "variants",
        to_say("A stays frozen, so the full-width input need not be kept for its gradient."),
        to_say("ΔW is confined to the rows of a random A: at small rank that is little of a white input."),
        to_say("A frozen by one control."),
        ("machine", "variants"),
    ),
    Paper(
        to_say("Asymmetry"),
        "Asymmetry in Low-Rank Adapters of Foundation Models",
        "Zhu et al.",
        2024,
        "2402.16842",
        "variants",
        to_say("Training B with a random A beats training A with a random B."),
        to_say("Only for ill-conditioned inputs: with isotropic ones and a square layer both are the same."),
        to_say("Both solved exactly over 50 frozen factors, by the inputs' condition and the layer's shape."),
        ("asymmetry",),
    ),
    Paper(
        to_say("Riemannian preconditioning"),
        "Riemannian Preconditioned LoRA for Fine-Tuning Foundation Models",
        "Zhang, Pilanci",
        2024,
        "2402.02347",
        "variants",
        to_say("Steps scaled by (BᵀB)⁻¹ and (AAᵀ)⁻¹ do not depend on the target's conditioning."),
        to_say("A little damping; the linear problem is where it is proved (Tong, Ma, Chi 2021, ScaledGD)."),
        to_say("Steps to a given loss against the condition number."),
        ("conditioning",),
    ),
    Paper(
        "ScaledGD",
        "Accelerating Ill-Conditioned Low-Rank Matrix Estimation via Scaled Gradient Descent",
        "Tong, Ma, Chi",
        2020,
        "2005.08898",
        "theory",
        to_say("Preconditioned factor descent converges at a rate free of the condition number."),
        to_say("Low-rank matrix estimation from a good start."),
        to_say("Steps to a given loss against the condition number."),
        ("conditioning",),
    ),
    Paper(
        "LoRA-Pro",
        "LoRA-Pro: Are Low-Rank Adapters Properly Optimized?",
        "Wang, Liang, He, Wang, Tan",
        2024,
        "2407.18242",
        "variants",
        to_say("Adjusted gradients of A and B bring the step as close as possible to that of full fine-tuning."),
        to_say("The projection on the tangent space of rank-r matrices."),
    ),
    Paper(
        "PLoP",
        "PLoP: Precise LoRA Placement for Efficient Finetuning of Large Models",
        "Hayou, Ghosh, Yu",
        2025,
        "2506.20629",
        "variants",
        to_say("A score computed from the pretrained model and the task says which kinds of modules to adapt."),
        to_say("Supervised and reinforcement fine-tuning of language models; at worst on a par with usual placements."),
    ),
    Paper(
        "LoRA-One",
        "LoRA-One: One-Step Full Gradient Could Suffice for Fine-Tuning Large Language Models, Provably and "
        "Efficiently",
        "Zhang, Liu, Chen",
        2025,
        "2502.01235",
        "starts",
        to_say(
            "The factors align with singular directions of the first full gradient; initialised from it, they have "
            "them at once."
        ),
        to_say("Proved for gradient descent on linear and certain nonlinear models."),
        to_say("The cosine of the first step with −G, for LoRA-GA, which uses the same gradient."),
        ("init_alignment",),
    ),
    Paper(
        to_say("The scaling factor"),
        "The Hidden Power of Scaling Factor in LoRA Optimization",
        "Zhang et al.",
        2026,
        "2606.12883",
        "scaling and rates",
        to_say("α does what no learning rate can; its best value grows about as the square root of the rank."),
        to_say("Measured for language models, with an argument about signal and drift; not a theorem."),
        to_say("That α cannot be absorbed into the learning rate alone."),
        ("alpha",),
    ),
    Paper(
        to_say("Converges or fails loudly"),
        "LoRA Training Provably Converges to a Low-Rank Global Minimum or It Fails Loudly (But it Probably Won't Fail)",
        "Kim, Kim, Ryu",
        2025,
        "2502.09376",
        "theory",
        to_say(
            "Training ends in a global minimum of low rank and small norm, or in a solution of high rank and large "
            "norm."
        ),
        to_say("Under restricted convexity and smoothness. That B = 0 and weight decay favour the first is argued."),
    ),
    Paper(
        to_say("Convergent directions"),
        "Convergent Linear Representations of Emergent Misalignment",
        "Soligo, Turner, Rajamanoharan, Nanda",
        2025,
        "2506.11618",
        "theory",
        to_say(
            "Nine rank-1 adapters misalign a 14B model, and one direction of its activations removes that in others."
        ),
        to_say("One model family and narrow data; a direction of activations, not of weights."),
    ),
    Paper(
        "GaLore",
        "GaLore: Memory-Efficient LLM Training by Gradient Low-Rank Projection",
        "Zhao, Zhang, Chen, Wang, Anandkumar, Tian",
        2024,
        "2403.03507",
        "variants",
        to_say("Project the gradient, not the weights: low memory and an update whose rank can grow."),
        to_say("All weights change, so there is no small file to swap."),
        to_say("The contrast: it breaks the floor of rank r."),
        ("variants",),
    ),
    Paper(
        to_say("Vanilla LoRA may suffice"),
        "Learning Rate Matters: Vanilla LoRA May Suffice for LLM Fine-tuning",
        "Lee, Ko, Chen, Yeh",
        2026,
        "2602.04998",
        "variants",
        to_say(
            "With the learning rate tuned for each method, LoRA and its variants peak within 1 to 2 % of each other."
        ),
        to_say("Language models on reasoning, code and instructions. At one rate for all, the order can be another."),
        to_say("LoRA and full fine-tuning at one rate, and each at its own best rate."),
        ("race",),
    ),
    Paper(
        "VeRA",
        "VeRA: Vector-based Random Matrix Adaptation",
        "Kopiczko, Blankevoort, Asano",
        2023,
        "2310.11454",
        "few numbers",
        to_say("Shared random factors and two trained vectors: far fewer numbers."),
        to_say("A high rank is not a good fit: it moves only what the random factors allow."),
        to_say("Same budget, same task."),
        ("variants",),
    ),
    Paper(
        "LoRA-XS",
        "LoRA-XS: Low-Rank Adaptation with Extremely Small Number of Parameters",
        "Bałazy, Banaei, Aberer, Tabor",
        2024,
        "2405.17604",
        "few numbers",
        to_say("An r×r matrix between W's own singular vectors is enough."),
        to_say("Where the update lies in W's top subspace, and hardly anywhere else."),
        to_say("Same task, both geometries."),
        ("variants",),
    ),
    Paper(
        "FourierFT",
        "Parameter-Efficient Fine-Tuning with Discrete Fourier Transform",
        "Gao et al.",
        2024,
        "2405.03003",
        "few numbers",
        to_say("A sparse spectrum of ΔW is trained."),
        to_say("Rank is not fit: its full rank is that of plane waves."),
    ),
    Paper(
        "RandLoRA",
        "RandLoRA: Full-rank parameter-efficient fine-tuning of large models",
        "Albert et al.",
        2025,
        "2502.00987",
        "few numbers",
        to_say("Sums of random factors give a full-rank update."),
        to_say("At a small r it has more parameters than LoRA, not fewer."),
    ),
    Paper(
        "FedPara (LoHa)",
        "FedPara: Low-Rank Hadamard Product for Communication-Efficient Federated Learning",
        "Hyeon-Woo, Ye-Bin, Oh",
        2021,
        "2108.06098",
        "few numbers",
        to_say("The entrywise product of two rank-r matrices reaches rank r²."),
        to_say("For twice the parameters of rank r."),
    ),
    Paper(
        "KronA (LoKr)",
        "KronA: Parameter Efficient Tuning with Kronecker Adapter",
        "Edalati et al.",
        2022,
        "2212.10650",
        "few numbers",
        to_say("ΔW as a Kronecker product."),
        to_say("It fits tiled updates."),
    ),
    Paper(
        "LyCORIS",
        "Navigating Text-To-Image Customization: From LyCORIS Fine-Tuning to Model Evaluation",
        "Yeh et al.",
        2023,
        "2309.14859",
        "few numbers",
        to_say("LoCon, LoHa and LoKr for diffusion models, compared."),
        to_say("Text-to-image; its files are read by the inspector."),
        to_say("Its LoHa and LoKr files are named for what they are; ranks are not read from them."),
        ("inspector",),
    ),
    Paper(
        "TinyLoRA",
        "Learning to Reason in 13 Parameters",
        "Morris, Mireshghallah, Ibrahim, Mahloujifar",
        2026,
        "2602.04118",
        "few numbers",
        to_say("Trained by reinforcement learning, 13 parameters bring an 8B model to 91 % on GSM8K."),
        to_say("Reinforcement learning: supervised fine-tuning needs updates 100 to 1,000 times as large."),
    ),
    Paper(
        "QLoRA",
        "QLoRA: Efficient Finetuning of Quantized LLMs",
        "Dettmers, Pagnoni, Holtzman, Zettlemoyer",
        2023,
        "2305.14314",
        "quantised",
        to_say("A 4-bit NF4 base with LoRA on top trains a 65B model on one 48 GB card."),
        to_say("The base only: merged back into 4 bits a small update is lost."),
        to_say("The memory of it, computed; what 4 bits take from W."),
        ("budget", "quantised"),
    ),
    Paper(
        "LoftQ",
        "LoftQ: LoRA-Fine-Tuning-Aware Quantization for Large Language Models",
        "Li et al.",
        2023,
        "2310.08659",
        "quantised",
        to_say("Start A and B so that they undo part of the quantisation error."),
        to_say(
            "At initialisation only: it reduces the error a little for any W, more as r grows. After training it need "
            "not help."
        ),
        to_say("The error at the start against rank."),
        ("quantised",),
    ),
    Paper(
        "Learns less, forgets less",
        "LoRA Learns Less and Forgets Less",
        "Biderman et al.",
        2024,
        "2405.09673",
        "forgetting",
        to_say(
            "LoRA trails full fine-tuning on code and mathematics and keeps more of the source; full fine-tuning's "
            "ΔW has "
            "10 to 100 times LoRA's usual rank."
        ),
        to_say("Compared at equal skill the order depends on the task."),
        to_say("A smaller rank learns less and forgets less; few noisy samples have a best rank."),
        ("learns_forgets",),
    ),
    Paper(
        to_say("Intruder dimensions"),
        "LoRA vs Full Fine-tuning: An Illusion of Equivalence",
        "Shuttleworth, Andreas, Torralba, Sharma",
        2024,
        "2410.21228",
        "forgetting",
        to_say("LoRA puts new singular vectors into W that resemble none of the old ones."),
        to_say(
            "Unlike any single old direction, not outside their span; a random direction qualifies too in a wide layer."
        ),
        to_say("A planted update of growing size, with the random direction drawn; no network is trained for it."),
        ("intruders",),
    ),
)

FOLKLORE = (
    Folklore(
        to_say("Attention matrices want r = 4 to 16, MLPs 8 to 32, more for a large change of domain."),
        to_say("No measurement behind the bands was found. What is seen here: the rank needed follows the task."),
        ("rank", "digits"),
    ),
    Folklore(
        to_say("Small models want a small rank, bigger models a bigger one."),
        to_say("Aghajanyan et al. 2020 found the opposite tendency for intrinsic dimension: larger models need fewer."),
    ),
    Folklore(
        to_say("r = 8 for simple classification, 64 and more for generation; sets such as {4, 8, 16, 32}."),
        to_say("Habit. Take the smallest rank of a sweep that is near the best on held-out data."),
        ("rank", "digits", "overfit"),
    ),
    Folklore(
        to_say("‘Dynamic Rank Adaptation’ begins with a high rank and prunes."),
        to_say(
            "A method of that name was published later (arXiv 2507.05668). Pruning from a high rank is "
            "AdaLoRA (Zhang et al. 2023)."
        ),
        ("adalora",),
    ),
    Folklore(
        to_say("LoRA is for language models, vision transformers, new domains and new languages."),
        to_say("Uses, not a claim: it applies wherever there is a linear layer or a convolution."),
        ("transformer", "budget"),
    ),
)
