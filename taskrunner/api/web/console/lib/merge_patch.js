// What an edit has changed, as a JSON merge patch (RFC 7396): masked secrets and fields that nobody touched are not sent.

/** @typedef {Record<string, any>} Members */

/** @param {unknown} value @returns {value is Members} */
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value) && !isNumber(value);

/** A number that `parsed` has kept as it stands. @param {any} value */
const isNumber = (value) => Boolean(/** @type {any} */ (JSON).isRawJSON?.(value));

/**
 * The merge patch that makes `after` of `before`: only what differs, null for what is gone; empty if nothing does.
 * Arrays are values, which a patch replaces as a whole.
 * @param {Members} before @param {Members} after @returns {Members}
 */
export function differences(before, after) {
  /** @type {Members} */
  const patch = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [old, next] = [before[name], after[name]];
    if (next === undefined) patch[name] = null;
    else if (JSON.stringify(old) === JSON.stringify(next)) continue;
    else if (isObject(old) && isObject(next)) {
      const inner = differences(old, next);
      // The same members in another order.
      if (Object.keys(inner).length) patch[name] = inner;
    } else patch[name] = next;
  }
  return patch;
}

/** `target` after a merge patch. @param {unknown} target @param {Members} patch @returns {Members} */
export function patched(target, patch) {
  const result = isObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = isObject(value) ? patched(result[name], value) : value;
  }
  return result;
}

/** JSON whose numbers stay as they are written where the browser can keep them. Raises `SyntaxError`. @param {string} text @returns {any} */
export function parsed(text) {
  const json = /** @type {any} */ (JSON);
  if (!json.rawJSON) return JSON.parse(text);
  return json.parse(text, (/** @type {string} */ _, /** @type {any} */ value, /** @type {{source: string}} */ { source }) =>
    typeof value === "number" && String(value) !== source ? json.rawJSON(source) : value,
  );
}
