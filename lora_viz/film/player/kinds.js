// Each kind of panel knows how to draw frame t on a canvas and how to say it in words.

import { bars } from "./bars.js";
import { cloud } from "./cloud.js";
import { curves } from "./curves.js";
import { field } from "./field.js";
import { heatmap } from "./heatmap.js";
import { lines } from "./lines.js";
import { machine } from "./machine.js";
import { pictures } from "./pictures.js";

/** @type {Record<string, import("./types").Kind>} */
const KINDS = { lines, curves, field, heatmap, bars, cloud, machine, pictures };

/** @param {import("./types").Picture} p one with a canvas: a readout is HTML */
export const kindOf = ({ panel }) => KINDS[panel.kind];
