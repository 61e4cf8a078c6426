"""Model cards and graphs in onnxruntime."""

from typing import TYPE_CHECKING

from halsie_ros.lazy import lazily

if TYPE_CHECKING:
    from halsie_ros.inference.cards import ModelCard, find_model

__all__ = ["ModelCard", "find_model"]
__getattr__ = lazily(__name__, {"cards": ("ModelCard", "find_model")})
