// What a node says (a progress text) is kept in the workflow, and shown again when the page or the workflow is opened again:
// the editor itself forgets it.
//
// The editor shows a progress text as HTML, and a workflow comes from anybody: what is kept is plain text, escaped whenever it
// is shown.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const KEPT = "emotalker_said";
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;" };
const CHARACTERS = Object.fromEntries(Object.entries(ENTITIES).map(([character, entity]) => [entity, character]));

const escaped = (text) => text.replace(/[&<>"']/g, (character) => ENTITIES[character]);
const plain = (text) => text.replace(/&(?:amp|lt|gt|quot|#x27);/g, (entity) => CHARACTERS[entity]);

app.registerExtension({
  name: "EmoTalker.Said",
  setup() {
    api.addEventListener("progress_text", ({ detail }) => {
      const node = app.graph.getNodeById(detail.nodeId);
      if (node?.comfyClass?.startsWith("EmoTalker")) node.properties[KEPT] = plain(String(detail.text));
    });
  },
  loadedGraphNode(node) {
    const text = node.properties?.[KEPT];
    if (typeof text !== "string" || !node.comfyClass?.startsWith("EmoTalker")) return;
    api.dispatchCustomEvent("progress_text", { nodeId: String(node.id), text: escaped(text) });
  },
});
