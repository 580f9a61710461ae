"""A workflow as the editor saves it becomes a prompt as the server's API takes it.

The editor does this in the browser. Doing it here too keeps one file per example: what opens in the editor is what the
demo and the tests run.
"""

WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
BYPASSED, MUTED = 4, 2


def to_prompt(workflow: dict, object_info: dict) -> dict:
    """API form of a workflow.

    Args:
        workflow: as saved by the editor (version 0.4): nodes, links.
        object_info: the server's /object_info.

    Returns:
        {node id: {"class_type", "inputs", "_meta"}}.

    Raises:
        ValueError: a node that the server does not know, or one that is bypassed.
    """
    links = {link[0]: (str(link[1]), link[2]) for link in workflow["links"]}
    prompt = {}
    for node in workflow["nodes"]:
        kind = node["type"]
        if kind in ("Note", "MarkdownNote") or node.get("mode", 0) == MUTED:
            continue
        if node.get("mode", 0) == BYPASSED:
            raise ValueError(f"node {node['id']} ({kind}) is bypassed: only the editor can resolve that")
        if kind not in object_info:
            raise ValueError(f"the server has no node {kind}")
        inputs = _widget_values(node, object_info[kind])
        for entry in node.get("inputs", []):
            if entry.get("link") is not None:
                inputs[entry["name"]] = list(links[entry["link"]])
        prompt[str(node["id"])] = {
            "class_type": kind,
            "inputs": inputs,
            "_meta": {"title": node.get("title") or object_info[kind]["display_name"]},
        }
    return prompt


def _widget_values(node: dict, info: dict) -> dict:
    values = iter(node.get("widgets_values") or [])
    found = {}
    for group in ("required", "optional"):
        for name in info.get("input_order", {}).get(group, []):
            kind, options = (*info["input"][group][name], {})[:2]
            if not (isinstance(kind, list) or kind in WIDGET_TYPES) or options.get("forceInput"):
                continue
            value = next(values, options.get("default"))
            if options.get("control_after_generate"):
                next(values, None)  # "fixed", "randomize", ...: the editor's own
            if value is not None:
                found[name] = value
    return found
