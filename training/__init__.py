"""Training: torch only here; the runtime never imports this package."""

from halsie_ros.moved import redirect

#: Old module -> new module, both below `training`; see `halsie_ros.moved`.
MOVED = {
    "ablation": "segmentation.ablation",
    "action_ablation": "action.ablation",
    "action_cache": "action.cache",
    "action_data": "action.data",
    "action_export": "action.export",
    "action_render": "action.render",
    "augment": "segmentation.augment",
    "checkpoints": "core.checkpoints",
    "clips": "segmentation.clips",
    "command": "core.command",
    "export": "segmentation.export",
    "loop": "core.loop",
    "losses": "segmentation.losses",
    "memory": "core.allocator",
    "models": "segmentation.from_model",
    "motion": "segmentation.teach_motion",
    "motion_map": "action.motion_map",
    "scenes": "segmentation.scenes",
    "segmentation_config": "segmentation.config",
    "teacher": "segmentation.teacher",
    "transcode": "action.transcode",
}

redirect("training", MOVED)
