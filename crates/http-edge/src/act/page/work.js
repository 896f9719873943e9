// Works out the eight puzzles of a challenge: numbers whose SHA-256 together with the puzzle
// begins with so many zero bits. In slices, so that the page stays alive.
(function () {
  "use strict";
  var main = document.querySelector("[data-puzzle]");
  var bar = document.querySelector("progress");
  var say = document.querySelector("[role=status]");
  var puzzle = main.getAttribute("data-puzzle");
  var shift = 32 - Number(main.getAttribute("data-level"));
  var K = new Int32Array(64), START = new Int32Array(8), words = new Int32Array(64);

  // The constants of SHA-256 are fractions of roots of the first primes (FIPS 180-4).
  for (var n = 2, found = 0; found < 64; n++) {
    for (var d = 2; d * d <= n && n % d; d++);
    if (d * d <= n) continue;
    if (found < 8) START[found] = (Math.sqrt(n) % 1) * 4294967296 | 0;
    K[found++] = (Math.cbrt(n) % 1) * 4294967296 | 0;
  }

  var bytes = new Uint8Array(64);
  for (var i = 0; i < puzzle.length; i++) bytes[i] = puzzle.charCodeAt(i);

  // The first word of the hash of puzzle.index.number, which always fits one block.
  function first(index, number) {
    var text = "." + index + "." + number, length = puzzle.length + text.length, i, t;
    for (i = 0; i < text.length; i++) bytes[puzzle.length + i] = text.charCodeAt(i);
    bytes[length] = 128;
    for (i = length + 1; i < 64; i++) bytes[i] = 0;
    bytes[62] = length >> 5;
    bytes[63] = length << 3;
    for (i = 0; i < 16; i++) words[i] = bytes[4 * i] << 24 | bytes[4 * i + 1] << 16 | bytes[4 * i + 2] << 8 | bytes[4 * i + 3];
    for (i = 16; i < 64; i++) {
      var x = words[i - 15], y = words[i - 2];
      words[i] = words[i - 16] + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3) +
        words[i - 7] + ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10) | 0;
    }
    var a = START[0], b = START[1], c = START[2], d = START[3], e = START[4], f = START[5], g = START[6], h = START[7];
    for (i = 0; i < 64; i++) {
      t = h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) + (e & f ^ ~e & g) + K[i] + words[i] | 0;
      h = g; g = f; f = e; e = d + t | 0;
      t = t + ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + (a & b ^ a & c ^ b & c) | 0;
      d = c; c = b; b = a; a = t;
    }
    return a + START[0] | 0;
  }

  var numbers = [], number = 0;
  function slice() {
    for (var left = 2000; left > 0; left--, number++) {
      if (first(numbers.length, number) >>> shift) continue;
      numbers.push(number);
      number = -1;
      bar.value = numbers.length;
      if (numbers.length === bar.max) return send();
    }
    setTimeout(slice, 0);
  }

  function send() {
    var address = "/.seawall/pass?puzzle=" + puzzle + "&solution=" + numbers.join("-");
    fetch(address, { method: "POST", credentials: "same-origin", cache: "no-store" }).then(function (answer) {
      if (!answer.ok) throw new Error(answer.status);
      say.textContent = main.getAttribute("data-done");
      location.reload();
    }).catch(function () {
      say.textContent = main.getAttribute("data-failed");
    });
  }

  slice();
})();
