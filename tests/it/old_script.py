"""What a pipeline ran before: load the whole file, change one field, write the whole file back."""

import json
import sys
from datetime import datetime, timedelta

path, command, *rest = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    state = json.load(file)
now = datetime.now()


def save():
    items = state["work_items"]
    done = sum(all(p["status"] == "completed" for p in i["phases"].values()) for i in items)
    state["summary"]["completed"] = done
    state["summary"]["completion_percentage"] = done / len(items) * 100
    with open(path, "w", encoding="utf-8") as file:
        json.dump(state, file, indent=2)


if command == "resume":
    for item in state["work_items"]:
        for phase in item["phases"].values():
            if phase["status"] == "in_progress":
                if now - datetime.fromisoformat(phase["started_at"]) > timedelta(minutes=30):
                    phase["status"] = "pending"
                    phase["started_at"] = None
                    phase["stale_reset_at"] = now.isoformat()
    save()
    for item in state["work_items"]:
        for name, phase in item["phases"].items():
            if phase["status"] == "pending":
                print(item["address"], name, sep="\t")
elif command == "checkpoint":
    address, name, status = rest
    item = next(i for i in state["work_items"] if i["address"] == address)
    phase = item["phases"][name]
    phase["status"] = status
    phase["started_at" if status == "in_progress" else "completed_at"] = now.isoformat()
    item["last_updated"] = now.isoformat()
    save()
