"""`python -m training.segmentation CONFIG --run DIR`: see `training.segmentation.task`."""

from training.segmentation.task import main

raise SystemExit(main())
