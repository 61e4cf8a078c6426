"""`python -m training.action CONFIG --data CACHES --run DIR`: see `training.action.task`."""

from training.action.task import main

raise SystemExit(main())
