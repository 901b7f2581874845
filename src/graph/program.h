/* Programs: runs of elementwise ops computed strip by strip, alone or on what a producer step has just written. */
#ifndef WEFT_GRAPH_PROGRAM_H
#define WEFT_GRAPH_PROGRAM_H

#include "graph/planner.h"

enum { WEFT_PROGRAM_MOST = 24, WEFT_PROGRAM_OPERANDS = 10 };

/* How a strip reads an operand of the step. */
typedef enum weft_strip_mode { WEFT_STRIP_FULL, WEFT_STRIP_ROW, WEFT_STRIP_COLUMN, WEFT_STRIP_ONE } weft_strip_mode;

typedef struct weft_instruction {
    const weft_op *op;
    int kind; /* weft_op_kind; LEAF: a random leaf to draw */
    int sub;
    double p;
    int source[3]; /* ≥ 0: a strip in scratch; -1, -2: the producers' results; ≤ -3: operand -3 - k of the step */
    int target;    /* strip in scratch, or -1: the result */
    int32_t leaf;  /* random leaf's value … */
    weft_law law;  /* … and law */
    int keys;      /* operand with its row keys, or -1 */
    int bound;     /* operand with its bound tensor */
} weft_instruction;

typedef struct weft_program {
    int count, strips;
    int64_t rows, columns; /* of the result: columns is its last axis */
    bool flat;             /* every operand whole or one number: rows do not matter */
    bool dense;            /* no operand but the producers' results and single numbers: a piece's rows are one run */
    bool rounded;          /* the result is written in BF16 (round_rows.c) */
    int producers;
    int addend; /* all that it does is to add this operand of the step to the producer's result; -1: it does more */
    size_t element, scratch_bytes; /* of the numbers it computes with; of a thread's scratch, from its beginning */
    weft_instruction instruction[WEFT_PROGRAM_MOST];
    weft_strip_mode mode[WEFT_STEP_INPUTS];
} weft_program;

/* Elementwise values that will run as one program. */
typedef struct weft_group {
    int32_t root, producer, partner; /* 0: none; the partner is a product beside the producer */
    int count;
    bool draws;
    int32_t member[WEFT_PROGRAM_MOST];
} weft_group;

/* Builds the program of group on the step, adding its operands to step->in; false when memory is short. */
bool weft_program_build(weft_planner *, weft_step *, const weft_group *);

/* The step of a group without producer. */
int64_t weft_program_pieces(const weft_step *, const weft_run_state *);
void weft_program_piece(const weft_step *, const weft_run_state *, int64_t piece, int thread);

#endif
