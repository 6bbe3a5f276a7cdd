// The view library as one file: fewer requests, and no bare names that a browser could not resolve.
import htm from "htm";
import { h } from "preact";

export * from "preact";
export * from "preact/hooks";
export const html = htm.bind(h);
