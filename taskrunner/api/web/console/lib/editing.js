// Edits of a resource: read with its entity tag, saved as the differences, and kept when somebody else has changed it meanwhile.
import { ask, Problem, send } from "./api.js";
import { differences, patched } from "./merge_patch.js";
import { useEffect, useState } from "../vendor/view.js";

/** @typedef {import("./merge_patch.js").Members} Members */

/**
 * `known` is the resource as it was read, null until then; `draft` is what the form shows of it, with the edits.
 * @param {string | null} path of the resource; null for one that is new
 * @param {{draftOf: (value: any) => Members, fieldsOf?: (draft: Members) => Members, parse?: (text: string) => any}} how
 * `draftOf` has what is edited of the resource, `fieldsOf` the draft as the API takes it
 */
export function useEditing(path, { draftOf, fieldsOf = (draft) => draft, parse = JSON.parse }) {
  const [known, setKnown] = useState(/** @type {{etag: string | null, base: Members, value: any} | null} */ (null));
  const [draft, setDraft] = useState(/** @type {Members | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const read = async () => {
    const response = await send(/** @type {string} */ (path));
    const value = parse(await response.text());
    return { etag: response.headers.get("ETag"), base: draftOf(value), value };
  };
  useEffect(() => {
    if (path === null) return;
    read().then((found) => {
      setKnown(found);
      setDraft(found.base);
    }, setError);
  }, [path]);
  /** Send what was edited; nothing is sent if nothing was. Raises `Problem`, 412 after a change by somebody else. @param {Members} [edited] in place of `draft` */
  const save = async (edited = /** @type {Members} */ (draft)) => {
    if (!known || path === null) return;
    const body = differences(fieldsOf(known.base), fieldsOf(edited));
    if (!Object.keys(body).length) return;
    try {
      await ask(path, { method: "PATCH", etag: known.etag, body });
    } catch (failure) {
      if (!(failure instanceof Problem && failure.status === 412)) throw failure;
      const newer = await read();
      // The tag is of everything that is told of it, such as when it was last used; what is edited here is as it was.
      if (Object.keys(differences(known.base, newer.base)).length) throw failure;
      await ask(path, { method: "PATCH", etag: newer.etag, body });
    }
  };
  /** Read it again, and keep the edits. @param {Members} [edited] in place of `draft` @returns {Promise<Members>} */
  const rebase = async (edited = /** @type {Members} */ (draft)) => {
    const newer = await read();
    const next = patched(newer.base, known ? differences(known.base, edited) : {});
    setKnown(newer);
    setDraft(next);
    return next;
  };
  return { known, draft, setDraft, error, save, rebase };
}
