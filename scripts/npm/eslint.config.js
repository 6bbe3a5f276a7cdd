// Run from the root of the repository, by scripts/console_check.sh.
import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["**/vendor/**"] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2022, sourceType: "module", globals: globals.browser },
    rules: {
      eqeqeq: "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-var": "error",
      "prefer-const": "error",
      "max-lines": ["error", 350],
      "max-lines-per-function": ["error", 200],
      // Whatever comes from a task is text.
      "no-restricted-properties": ["error", ...["innerHTML", "outerHTML", "insertAdjacentHTML", "srcdoc"].map((property) => ({ property }))],
      "no-restricted-syntax": ["error", { selector: "TemplateElement[value.raw=/dangerouslySetInnerHTML|srcdoc/]", message: "Text only." }],
    },
  },
  // One dictionary for a language, however many words there are.
  { files: ["**/locales/*.js"], rules: { "max-lines": "off" } },
];
