// What the player's modules hand each other. The film's own types are in film.d.ts, written from its dataclasses.

import type { Film, Mark, Panel, Series } from "./film";

export interface Colours {
  identity: Record<string, Record<string, string>>;
  diverging: Record<string, string[]>;
  sequential: string[];
}

/** What things are drawn with. Identities ("A", "ink", …) are colours as CSS writes them. */
export interface Theme {
  [identity: string]: any;
  diverging: number[][];
  sequential: number[][];
  paper: string;
  font: string;
  grid: string;
  strip: string;
  future: number;
}

/** Where a panel is drawn, in pixels of CSS. */
export interface Box {
  width: number;
  height: number;
  dpr: number;
  font: number;
  thick: number;
  least: number; // the smallest type
  inset: number; // what a button takes of its title
  lead: number; // what the title's first lines take above it
}

/** A panel on the stage: what it shows, where, and what was done to it. */
export interface Picture<P = any> {
  panel: P;
  box: Box;
  cache: any; // what a kind of panel remembers between two draws
  cell: HTMLElement;
  canvas: HTMLCanvasElement | null; // none: a readout, passages
  values: HTMLElement[]; // of a readout, of passages
  hover: [number, number] | null;
  veiled: boolean; // its curves are asked for
  guess: Float32Array | null;
  crowd: Thought | null; // what a room drew
  ghost: { series: Series[]; values: ArrayLike<number> } | null;
}

/** The moment that is shown. */
export interface Now {
  t: number;
  film: Film;
  axis: string; // what the playhead runs over, in the visitor's language
  theme: Theme;
  phase: number; // of slow motion, 0: none
  share: number; // how much of this phase has been seen
}

export type Ask = (x: number, y: number, value: number, accept: (value: number) => void) => void;

/** What a kind of panel can do. Places are pixels within its box. */
export interface Kind<P = any> {
  draw(g: CanvasRenderingContext2D, p: Picture<P>, now: Now): void;
  say(p: Picture<P>, now: Now): string;
  hover?(p: Picture<P>, x: number, y: number, now: Now): string | null;
  leave?(p: Picture<P>): void;
  scrub?(p: Picture<P>, x: number, now: Now): number | null;
  turn?(p: Picture<P>, dx: number, dy: number): boolean;
  press?(p: Picture<P>, x: number, y: number, now: Now, ask: Ask): boolean;
  cell?(p: Picture<P>, x: number, y: number): [number, number] | null;
  key?(p: Picture<P>, key: string, now: Now, ask: Ask, pick: (row: number, column: number) => void): string | null;
  keyed?(panel: P): boolean;
  keys?(panel: P): string; // what its keys do
  tell?(p: Picture<P>, now: Now): string | null;
  byHand?(p: Picture<P>, now: Now): string | null;
  forget?(p: Picture<P>): void;
  cursor?: string;
  redraws?: boolean;
}

export interface Table {
  caption: string;
  heads: string[];
  rows: string[][];
  note?: string;
}

export interface Question {
  kind: "choice" | "number" | "curve";
  text: string;
  measured: string;
  choices?: string[];
  answer?: number;
  panel?: number; // where it stands in the film
  series?: number;
}

/** What a room thinks of a question; from "near" on only when it was measured. */
export interface Thought {
  kind: "choice" | "number" | "curve";
  state: string;
  choices: string[];
  counts: number[];
  quantiles: any[]; // at 5, 25, 50, 75 and 95 %: numbers, or curves over the places
  answers: any[];
  answered: number;
  unsure: number;
  low: number;
  high: number;
  scale: string;
  places: number[];
  near?: number;
  truth?: any;
  measured?: string;
}

/** The room that is asked, as its bar offers it to the question. */
export interface Room {
  asks(scene: string | undefined): boolean; // of this scene of the player's
  state(): string;
  thought(): Promise<Thought>;
  close(): Promise<Thought>;
  measure(): Promise<Thought>;
}

export interface Presenting {
  scene: string;
  contrast?: boolean;
  panels?: string[]; // what is shown; none: the picture that proves the claim
  caption?: string; // said when a question was answered
  file?: boolean; // there is no server
}

/** What comes beside the film. */
export interface Header {
  protocol: number;
  film: Film;
  run: string;
  axis: string;
  colours: Colours;
  words?: Record<string, string>;
  at?: number | null;
  shares?: boolean;
  question?: Question | null;
  present?: Presenting | null;
}

/** One player on a page. */
export interface Player extends Now {
  root: HTMLElement;
  find(name: string): any;
  tip: HTMLElement;
  written: [string, (said: string) => void][];
  pictures: Picture[];
  run: string | null;
  previous: Film | null;
  colours: Colours;
  paper: string; // what the page said of its background when the theme was read
  playing: boolean;
  clock: number;
  due: number;
  speed: number;
  slow: boolean;
  drawn: number;
  calm: MediaQueryList;
  compare: boolean;
  spoken: string;
  present: Presenting | null;
  chosen: string | null; // the picture that somebody wants large
  all: boolean; // every picture at once
  keepsPlace: boolean; // in the address
  places: import("./views.js").Places | null;
  sendLink(value: number): void;
  pick(row: number, column: number): void;
}

/** Where the curves of a panel stand. */
export interface Frame {
  left: number;
  top: number;
  right: number;
  bottom: number;
  strip: number;
  zero: boolean;
  low: number;
  high: number;
  first: number;
  last: number;
  yTicks: number[];
  x(value: number): number;
  y(value: number): number;
  legend: { size: number; rows: number };
  [more: string]: any;
}

export type { Mark, Panel };

