"use strict";
// The blind test: ten times, the recording and its restoration in random order, of which one is chosen; then the answer.

const TRIALS = 10;

class BlindTest {
  constructor() {
    this.chosen = []; // of each trial: whether the restoration was chosen
    this.shuffle();
  }

  shuffle() {
    const coin = crypto.getRandomValues(new Uint8Array(1))[0] & 1;
    this.order = coin ? ["original", "restored"] : ["restored", "original"];
  }

  get trial() {
    return this.chosen.length + 1;
  }

  get over() {
    return this.chosen.length === TRIALS;
  }

  // number: 0 for the first sound, 1 for the second
  choose(number) {
    this.chosen.push(this.order[number] === "restored");
    this.shuffle();
  }

  get answer() {
    const times = this.chosen.filter(Boolean).length;
    const chance = Math.round(100 * byChance(Math.max(times, TRIALS - times)));
    return (
      `You chose the restored sound ${times} of ${TRIALS} times, and the recording ${TRIALS - times} times. ` +
      `Somebody who hears no difference prefers one of them so often, or more, in ${chance} % of such tests.`
    );
  }
}

// The probability that of two equal things one is chosen so many times of TRIALS or more, TRIALS / 2 at least.
function byChance(times) {
  let [ways, sum] = [1, 0];
  for (let k = 0; k <= TRIALS; k++) {
    if (k >= times || TRIALS - k >= times) sum += ways;
    ways = (ways * (TRIALS - k)) / (k + 1);
  }
  return sum / 2 ** TRIALS;
}
