"""Celery tasks that move: messages with the old name, which wait in queues and schedules, still run.

Call these where the Celery app is made, after its tasks are known.
"""

from __future__ import annotations

from typing import Any


def alias(app: Any, old_name: str, task: Any) -> None:
    """Let `task` of the Celery app `app` also run for messages with the name `old_name`.

    For a task whose module or name changed within this project. Retries are sent under the new name.
    """
    if old_name in app.tasks and app.tasks[old_name] is not task:
        raise ValueError(f"the task {old_name} is still defined; remove it before it becomes an alias")
    app.tasks[old_name] = task


def moved(app: Any, old_name: str, *, queue: str, new_name: str | None = None) -> Any:
    """Let the task `old_name` run in another service, whose workers read `queue` and call it `new_name`.

    Code here goes on to call the returned task: its messages go to that queue. A message that still arrives here is
    forwarded there under its own id, and acknowledged after that.
    """
    there = new_name or old_name

    class MovedTask(app.Task):  # type: ignore[misc]
        """Its calls go to the other service."""

        abstract = True

        def apply_async(self, args: Any = None, kwargs: Any = None, task_id: str | None = None, **options: Any) -> Any:
            return app.send_task(there, args, kwargs, task_id=task_id, **{"queue": queue, **options})

    def forward(self: Any, *args: Any, **kwargs: Any) -> None:
        app.send_task(there, args, kwargs, task_id=self.request.id, queue=queue)

    return app.task(forward, name=old_name, base=MovedTask, bind=True, acks_late=True, ignore_result=True)
