// What a step forward does before it turns the page: a question is answered first, then what it shows is said.

/** @typedef {{ step: () => boolean, reveal: () => boolean, again?: () => void, picture?: () => void }} First */

/** @typedef {import("./types").Room} Room */
const everywhere = /** @type {{ loraFirst?: First, loraRoom?: Room | null }} */ (globalThis);

/**
 * One a page: the player says what it does first, whoever turns asks. `again` puts the question anew, to a room that
 * was opened meanwhile; `picture` saves what a room thought. @type {First}
 */
export const first = (everywhere.loraFirst ||= { step: () => false, reveal: () => false });

/** The room that is asked, if there is one. */
export const roomNow = () => everywhere.loraRoom || null;

/** @param {Room | null} room */
export function setRoom(room) {
  everywhere.loraRoom = room;
}
