// What a node says (a progress text) is kept in the workflow, and shown again when the page or the workflow is opened again:
// the editor itself forgets it.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const KEPT = "emotalker_said";

app.registerExtension({
  name: "EmoTalker.Said",
  setup() {
    api.addEventListener("progress_text", ({ detail }) => {
      const node = app.graph.getNodeById(detail.nodeId);
      if (node?.comfyClass?.startsWith("EmoTalker")) node.properties[KEPT] = detail.text;
    });
  },
  loadedGraphNode(node) {
    const text = node.properties?.[KEPT];
    if (text) api.dispatchCustomEvent("progress_text", { nodeId: String(node.id), text });
  },
});
