"""Damages recordings and model files on purpose, and watches what the program does with them.

seeds: small sound recordings in every format; mutations, tags, models: ways to damage them; job: what is done with a mutant, and what
must hold then; worker: a process with limits that does it; shell: the same through the command line; harness: the loop, the counts.

libsndfile is watched from within by AddressSanitizer in a build of its own, which takes the place of the one that soundfile brings:

    F="-fsanitize=address,undefined -g -O1 -fno-omit-frame-pointer"
    cmake -S libsndfile -B build -DBUILD_SHARED_LIBS=ON -DBUILD_PROGRAMS=OFF -DBUILD_TESTING=OFF -DCMAKE_C_FLAGS="$F" && cmake --build build
    mkdir -p watched/_soundfile_data && touch watched/_soundfile_data/__init__.py
    cp build/libsndfile.so watched/_soundfile_data/libsndfile_$(uname -m).so
    export LD_PRELOAD=$(gcc -print-file-name=libasan.so) PYTHONPATH=watched UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1
    export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:allocator_may_return_null=1:log_path=address
    python -m tests.fuzz --only-read --seconds 600 --seed 1

What it finds ends the worker, so that the mutant counts as a crash and is kept; the reports are in files whose names begin with `address`.

Of 12,000 mutants that libsndfile 1.2.0 with Debian's patches read (seeds 103 and 104), none touched memory that is not its own. In 11 a
predictor's sum left the range of an int, in ALAC (dp_dec.c:128) and NMS ADPCM (nms_adpcm.c:261): it wraps, and damaged samples become other
ones, which needs no guard.
"""
