"""Damages recordings and model files on purpose, and watches what the program does with them.

seeds: small sound recordings in every format; mutations, tags, models: ways to damage them; job: what is done with a mutant, and what
must hold then; worker: a process with limits that does it; shell: the same through the command line; harness: the loop, the counts.

libsndfile is watched from within by AddressSanitizer in a build of its own, which takes the place of the one that soundfile brings:

    F="-fsanitize=address,undefined -g -O1 -fno-omit-frame-pointer"
    cmake -S libsndfile -B build -DBUILD_SHARED_LIBS=ON -DBUILD_PROGRAMS=OFF -DBUILD_TESTING=OFF -DCMAKE_C_FLAGS="$F" && cmake --build build
    mkdir -p watched/_soundfile_data && touch watched/_soundfile_data/__init__.py
    cp build/libsndfile.so watched/_soundfile_data/libsndfile_$(uname -m).so
    export LD_PRELOAD=$(gcc -print-file-name=libasan.so) PYTHONPATH=watched UBSAN_OPTIONS=log_path=undefined
    export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:allocator_may_return_null=1:log_path=address
    python -m tests.fuzz --only-read --seconds 600 --seed 1

What it finds ends the worker, so that the mutant counts as a crash and is kept; reports are in files whose names begin with `address`, and
what C leaves undefined in those that begin with `undefined`.
"""
