// Written by `python -m lora_viz.film.written` from the dataclasses of film.py and panels.py: do not edit.

import type { Tensor } from "./tensor.js";

export interface Film {
  axis: string;
  values: Tensor;
  panels: Panel[];
  start: number;
  seconds_per_frame: number;
  narration: string[];
  phases: string[][];
  autoplay: boolean;
  training: boolean;
  of_last: boolean;
  hero: string | null;
  beside: string[];
}

export interface Lines {
  id: string;
  title: string;
  series: Series[];
  y_label: string;
  scale: "linear" | "log";
  x_scale: "linear" | "log" | "sqrt";
  marks: Mark[];
  reach: number;
  span: number;
  row: number;
  kind: "lines";
}

export interface Series {
  id: string;
  name: string;
  colour: string;
  y: Tensor;
  low: Tensor | null;
  high: Tensor | null;
  dash: "solid" | "dash" | "dot" | "dashdot";
  dots: boolean;
}

export interface Mark {
  id: string;
  at: number;
  label: string;
  colour: string;
}

export interface Curves {
  id: string;
  title: string;
  x: Tensor;
  series: Curve[];
  x_label: string;
  y_label: string;
  scale: "linear" | "log";
  x_scale: "linear" | "log" | "sqrt";
  marks: Mark[];
  reach: number;
  span: number;
  row: number;
  kind: "curves";
}

export interface Curve {
  id: string;
  name: string;
  colour: string;
  y: Tensor;
  low: Tensor | null;
  high: Tensor | null;
  dash: "solid" | "dash" | "dot" | "dashdot";
  dots: boolean;
}

export interface Field {
  id: string;
  title: string;
  values: Tensor;
  x_labels: string[];
  y_labels: string[];
  x_title: string;
  y_title: string;
  colour: string;
  scale: "linear" | "log";
  limits: [number, number] | null;
  regions: Tensor | null;
  region_names: string[];
  chosen: [number, number] | null;
  picks: boolean;
  caption: string[];
  span: number;
  row: number;
  tall: number;
  kind: "field";
}

export interface HeatMap {
  id: string;
  title: string;
  colour: string;
  values: Tensor;
  limit: Tensor | number;
  caption: string[];
  hatched: boolean;
  span: number;
  row: number;
  kind: "heatmap";
}

export interface Bars {
  id: string;
  title: string;
  labels: string[];
  groups: Group[];
  y_label: string;
  bar_ids: string[];
  scale: "linear" | "log";
  caption: string[];
  span: number;
  row: number;
  kind: "bars";
}

export interface Group {
  id: string;
  name: string;
  colour: string;
  values: Tensor;
  outline: boolean;
}

export interface Cloud {
  id: string;
  title: string;
  colour: string;
  dimension: number;
  limit: number;
  points: Points[];
  spans: Span[];
  axes: string;
  view: [number, number];
  caption: string[];
  span: number;
  row: number;
  kind: "cloud";
}

export interface Points {
  id: string;
  name: string;
  colour: string;
  xyz: Tensor;
  style: "dot" | "ring" | "probe" | "ghost";
}

export interface Span {
  id: string;
  name: string;
  colour: string;
  basis: Tensor;
  style: "fill" | "axes";
}

export interface Machine {
  id: string;
  title: string;
  colour: string;
  W: Tensor;
  A: Tensor;
  B: Tensor;
  x: Tensor;
  target: Tensor;
  scaling: number;
  limits: number[];
  names: [string, string, string, string];
  symbol: string;
  lr: number;
  rows: boolean;
  span: number;
  row: number;
  tall: number;
  kind: "machine";
}

export interface Pictures {
  id: string;
  title: string;
  images: Tensor;
  rows: Answers[];
  colour: string;
  span: number;
  row: number;
  kind: "pictures";
}

export interface Answers {
  id: string;
  name: string;
  text: string[][];
  right: boolean[][];
  colour: string;
}

export interface Readout {
  id: string;
  title: string;
  rows: Row[];
  span: number;
  row: number;
  kind: "readout";
}

export interface Row {
  id: string;
  label: string;
  text: string[];
  colour: string;
}

export interface Passages {
  id: string;
  title: string;
  rows: Passage[];
  span: number;
  row: number;
  tall: number;
  kind: "passages";
}

export interface Passage {
  id: string;
  label: string;
  text: string[];
  colour: string;
  tokens: string[][];
  values: Tensor | null;
  limit: number;
}

export type Panel = Lines | Curves | Field | HeatMap | Bars | Cloud | Machine | Pictures | Readout | Passages;
