"""Metrics: one file per family of scores. A score is a number under a name; ``f1/PER`` is the ``f1`` of PER alone."""

from unisono.metrics.boxes import score_boxes
from unisono.metrics.dense import score_dense
from unisono.metrics.entities import score_tags
from unisono.metrics.hidden import score_hidden
from unisono.metrics.labels import score_label_sets, score_labels
from unisono.metrics.masks import score_masks
from unisono.metrics.numbers import score_numbers
from unisono.metrics.ranking import score_matches
from unisono.metrics.spans import score_answers, score_spans
from unisono.metrics.speech import score_speakers, score_transcripts
from unisono.metrics.spoken import score_spoken
from unisono.metrics.text import score_captions, score_text

# Name -> whether higher is better. All are fractions or correlations, but for bleu and chrf (0 to 100), and rmse and
# mae (units of the target) and mel_distance (decibels). Every score function also gives "rows": how many had a label.
METRICS: dict[str, bool] = {
    "accuracy": True,
    "macro_f1": True,
    "micro_f1": True,
    "subset_accuracy": True,
    "matthews": True,
    "roc_auc": True,
    "pearson": True,
    "spearman": True,
    "rmse": False,
    "mae": False,
    "abs_rel": False,
    "f1": True,
    "precision": True,
    "recall": True,
    "recall@1": True,
    "recall@5": True,
    "recall@10": True,
    "median_rank": False,
    "mean_rank": False,
    "exact_match": True,
    "map": True,
    "map50": True,
    "ap50": True,
    "miou": True,
    "pixel_accuracy": True,
    "iou": True,
    "bleu": True,
    "chrf": True,
    "word_accuracy": True,
    "wer": False,
    "cer": False,
    "eer": False,
    "mel_fit": True,
    "mel_distance": False,
    "length_error": False,
    "perplexity": False,
    "l1": False,
    "r2": True,
}


def higher_is_better(name: str) -> bool:
    """Whether a higher value of a score is better; ``f1/PER`` goes by ``f1``.

    Raises:
        KeyError: no metric has the name.
    """
    return METRICS[name.split("/")[0]]


__all__ = [
    "METRICS",
    "higher_is_better",
    "score_answers",
    "score_boxes",
    "score_captions",
    "score_dense",
    "score_hidden",
    "score_label_sets",
    "score_labels",
    "score_masks",
    "score_matches",
    "score_numbers",
    "score_spans",
    "score_speakers",
    "score_spoken",
    "score_tags",
    "score_text",
    "score_transcripts",
]
