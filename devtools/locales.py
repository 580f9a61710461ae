"""Writes locales/en/nodeDefs.json, the texts that translators start from, out of the nodes themselves.

python3 dev.py run -- python -m devtools.locales
"""

import json

from .client import ComfyClient
from .server import ROOT, ComfyServer

TARGET = ROOT / "locales" / "en" / "nodeDefs.json"


def texts(object_info: dict) -> dict:
    """Names, descriptions and tooltips of this pack's nodes as ComfyUI's editor looks them up."""
    found = {}
    for name, node in sorted(object_info.items()):
        if not node["python_module"].startswith("custom_nodes.emotalker"):
            continue
        entry = {"display_name": node["display_name"], "description": node["description"]}
        inputs = {
            key: {"name": key.replace("_", " "), "tooltip": options[1]["tooltip"]}
            for group in ("required", "optional")
            for key, options in node["input"].get(group, {}).items()
        }
        outputs = {
            str(index): {"name": label, "tooltip": tooltip}
            for index, (label, tooltip) in enumerate(zip(node["output_name"], node["output_tooltips"], strict=True))
        }
        found[name] = entry | ({"inputs": inputs} if inputs else {}) | ({"outputs": outputs} if outputs else {})
    return found


def main() -> None:
    """Asks a running server for the nodes and writes the file."""
    with ComfyServer() as server:
        data = texts(ComfyClient(server.url).get("/object_info"))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{TARGET}: {len(data)} nodes")


if __name__ == "__main__":
    main()
