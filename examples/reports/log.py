import json
import os
from datetime import datetime, timezone

IS_JSON = os.environ.get("LOG_FORMAT") == "json"


def log(level: str, message: str, **fields: object) -> None:
    """One line for each thing that happened: JSON where LOG_FORMAT=json, words otherwise."""
    time = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    if IS_JSON:
        print(json.dumps({"time": time, "level": level, "msg": message, **fields}, default=str), flush=True)
    else:
        print(time, level, message, *(f"{name}={value!r}" for name, value in fields.items()), flush=True)
