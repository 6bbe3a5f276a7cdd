// JSON as a tree whose numbers are as they were sent: 12345678901234567890 stays what it is.

/**
 * `text` is the text of a leaf: strings decoded, numbers and words as they stand.
 * @typedef {{kind: "object" | "array" | "string" | "number" | "word", text: string, members: [string, Node][]}} Node
 */

const TOKEN = /\s*(?:([{}[\],:])|("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null))/y;
const DEEPEST = 200;

/** The tree of a text; null if it is no JSON, or deeper than anybody reads. @param {string} text @returns {Node | null} */
export function parse(text) {
  try {
    // The grammar is the browser's; the tokens below only keep the numbers.
    JSON.parse(text);
  } catch {
    return null;
  }
  TOKEN.lastIndex = 0;
  const next = () => /** @type {RegExpExecArray} */ (TOKEN.exec(text));
  /** @param {RegExpExecArray} token @param {number} depth @returns {Node} */
  const value = (token, depth) => {
    if (depth > DEEPEST) throw new RangeError("deep");
    const [, mark, string, number, word] = token;
    if (string !== undefined) return { kind: "string", text: JSON.parse(string), members: [] };
    if (number !== undefined) return { kind: "number", text: number, members: [] };
    if (word !== undefined) return { kind: "word", text: word, members: [] };
    const isObject = mark === "{";
    /** @type {[string, Node][]} */
    const members = [];
    for (let found = next(); found[1] !== "}" && found[1] !== "]"; found = next()) {
      if (found[1] === ",") found = next();
      if (isObject) {
        next();
        members.push([JSON.parse(found[2]), value(next(), depth + 1)]);
      } else members.push([String(members.length), value(found, depth + 1)]);
    }
    return { kind: isObject ? "object" : "array", text: "", members };
  };
  try {
    return value(next(), 0);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}
