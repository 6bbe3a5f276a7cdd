// The types of view.js, for `tsc`.
import type { VNode } from "preact";

export * from "preact";
export * from "preact/hooks";
export function html(strings: TemplateStringsArray, ...values: unknown[]): VNode<any>;
