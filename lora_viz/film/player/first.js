// What a step forward does before it turns the page: a question is answered first, then what it shows is said.

/** @typedef {{ step: () => boolean, reveal: () => boolean }} First was something done? */

const everywhere = /** @type {{ loraFirst?: First }} */ (globalThis);

/** One a page: the player says what it does first, whoever turns asks. @type {First} */
export const first = (everywhere.loraFirst ||= { step: () => false, reveal: () => false });
