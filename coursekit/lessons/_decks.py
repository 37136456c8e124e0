"""The cards of the review: what the four articles behind the course say, with two corrections."""

from coursekit.exercises import lesson

ANEW = (
    "(Written anew.) "  # the article has only its first card left; these are made from its tables
)

FLASHCARDS = (
    ("The three variants of gradient descent?",
     "All rows for each update; one row; or a mini-batch of some, which is what is usual: a good "
     f"gradient, and many updates. See {lesson('gradient_descent')}."),
    ("What does `batch_size` say?",
     f"{ANEW}How many rows are averaged for one update. See {lesson('training_loop')}."),
    ("The rate is too high. What do you see?",
     f"{ANEW}A loss that jumps, or grows without end; or one that stands still, when the first "
     f"steps have broken the net. See {lesson('gradient_descent')}."),
    ("The rate is too low. What do you see, and what else looks the same?",
     f"{ANEW}A loss that hardly falls. So do vanishing gradients, dead units, inputs without "
     f"scaling and wrong labels: look before you raise it. See {lesson('monitoring')}."),
    ("Which loss for yes or no?",
     f"{ANEW}Binary cross-entropy, on one sigmoid unit or its logit. See {lesson('losses')}."),
    ("Squared or absolute error, if some targets are far off?",
     f"{ANEW}The absolute one, or Huber's: a square lets one row of error 10 weigh as much as a "
     f"hundred of error 1. See {lesson('losses')}."),
    ("What is split in data parallelism, and what in model parallelism?",
     f"{ANEW}The rows of a batch; the layers, or parts of one. See {lesson('sharding')}."),
    ("Binary or categorical cross-entropy?",
     f"{ANEW}One sigmoid unit takes the binary one, a softmax over classes the categorical one. "
     "Two softmax units are as good as one sigmoid; one unit with the categorical loss learns "
     f"nothing. See {lesson('losses')}."),
)  # fmt: skip

SUMMARY = (
    ("The steps of the loop?",
     "Forward, loss, clear the gradients (PyTorch), backward, update. "
     f"See {lesson('training_loop')}."),
    ("Mean squared error?",
     f"For numbers; a large error weighs by its square. See {lesson('losses')}."),
    ("Cross-entropy?",
     "For classes; from logits, softmax and logarithm are one stable operation. "
     f"See {lesson('losses')}."),
    ("Focal loss?",
     "Rows that are right already count less: cross-entropy times (1 - p) to a power. "
     f"See {lesson('custom_losses')}."),
    ("Contrastive and triplet loss?",
     f"They learn a space where what is alike lies close. See {lesson('structured_losses')}."),
    ("SGD with momentum?",
     f"Good for convolutional nets, if rate and schedule are tuned. See {lesson('optimizers')}."),
    ("Adam and AdamW?",
     "A step of its own for each weight; the usual start for transformers. AdamW decays the "
     f"weights apart from the gradient. See {lesson('optimizers')}."),
    ("Cosine annealing?",
     f"One smooth fall of the rate. With restarts it is cyclical: say which. "
     f"See {lesson('schedules')}."),
    ("Warmup?",
     f"Small steps first, while the estimates are poor; needed by some nets. "
     f"See {lesson('schedules')}."),
    ("Dropout: what is scaled, and when?",
     "Kept units by 1 / (1 - p), in training. At prediction nothing. (Corrected: the "
     f"article's summary scales at test time, where its own text scales in training.) "
     f"See {lesson('regularization')}."),
    ("Batch norm?",
     "Normalizes each unit over the rows of a batch; at prediction by running averages. "
     f"See {lesson('initialization_normalization')}."),
    ("Layer norm?",
     "Normalizes each row over its units, the same in training and at prediction. "
     f"See {lesson('initialization_normalization')}."),
    ("Clipping the gradient?",
     f"Cuts its length to a limit: against exploding, not against vanishing. "
     f"See {lesson('precision')}."),
    ("Mixed precision?",
     "Products in 16 bits, weights in 32; float16 needs loss scaling. How much faster depends on "
     f"the chip: measure. See {lesson('precision')}."),
    ("ZeRO: which kind of parallelism?",
     "Data parallelism with its state spread: each worker computes the whole model on its own "
     "rows. (Corrected: the article files it under model parallelism.) "
     f"See {lesson('sharding')}."),
)  # fmt: skip

TAKEAWAYS = (
    ("What is training, in a sentence?",
     "Parameters are adjusted step by step until a loss is low. "
     f"See {lesson('what_training_is')}."),
    ("What is one step made of?",
     f"Forward, loss, backpropagation, update. See {lesson('training_loop')}."),
    ("Which settings come with every run?",
     f"Rate, batch size and epochs. See {lesson('hyperparameter_search')}."),
    ("Why watch training and validation side by side?",
     f"Their gap tells overfitting from underfitting. See {lesson('monitoring')}."),
    ("Three ways to do better with the same rows?",
     f"Regularization, augmentation ({lesson('regularization')}) and a pretrained net "
     f"({lesson('transfer')})."),
    ("Do all algorithms train by this loop?",
     "No: trees split greedily, k-means moves centres, an agent makes its own data. "
     f"See {lesson('what_training_is')}, {lesson('without_labels')}, {lesson('rewards')}."),
    ("What does the hardware decide?",
     f"How fast, and what fits at all. See {lesson('distribution')}, {lesson('sharding')}."),
)  # fmt: skip

ASKED_OFTEN = (
    ("What happens during training?",
     f"Batch by batch, the weights move against the gradient of the loss. "
     f"See {lesson('training_loop')}."),
    ("How does gradient descent work?",
     "The gradient says how fast the loss grows with each weight; a step goes the other way, "
     f"as far as the rate says. See {lesson('gradient_descent')}."),
    ("What is overfitting?",
     f"To learn what holds for the training rows alone. See {lesson('overfitting')}."),
    ("Why are data split?",
     "To learn from some, choose by others, and score on rows that did neither. "
     f"See {lesson('cross_validation')}."),
    ("What are hyperparameters?",
     "What is set before training and not learned by it. "
     f"See {lesson('hyperparameter_search')}."),
    ("When is training complete?",
     f"When what you watch on validation rows no longer gets better. See {lesson('monitoring')}."),
)  # fmt: skip

DECKS = {"flashcards": FLASHCARDS, "summary": SUMMARY, "takeaways": TAKEAWAYS,
         "asked often": ASKED_OFTEN}  # fmt: skip
