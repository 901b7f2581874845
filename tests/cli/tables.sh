# Read by the tests of tabular commands: made-up tables, the same with every awk, and a small model. `folder` is where they work.

# make_table KIND ROWS SEED >F.csv: KIND regression, binary or multiclass. Cells are missing in the columns size and colour; note
# holds commas, quotes and a line break.
make_table() {
    awk -v kind="$1" -v rows="$2" -v x="$3" '
        function draw() { x = (x * 16807) % 2147483647; return x / 2147483647 }
        BEGIN {
            x += 1
            split("red green blue", colours, " ")
            notes[1] = "\"small, \"\"round\"\"\""; notes[2] = "\"large,\n square\""; notes[3] = "plain"
            print "size,weight,colour,\"the, flag\",note,y"
            for (i = 0; i < rows; i++) {
                size = draw() * 4 - 2; weight = draw() * 10; c = 1 + int(draw() * 3); flag = draw() < 0.5; n = 1 + int(draw() * 3)
                lost = draw()
                value = 3 * size - weight / 2 + c + flag + draw() / 4
                if (kind == "regression")
                    y = sprintf("%.4f", 100 + value)
                else if (kind == "binary")
                    y = value > 0 ? "yes" : "no"
                else
                    y = value < -3 ? "low" : value < 2 ? "mid, or so" : "high"
                printf("%s,%.5f,%s,%s,%s,%s\n", lost < 0.1 ? "" : sprintf("%.5f", size), weight,
                    lost > 0.9 ? "NA" : colours[c], flag ? "on" : "off", notes[n], y ~ /,/ ? "\"" y "\"" : y)
            }
        }'
}

# plain_table ROWS >F.csv: two numbers and a number to predict, one line a row
plain_table() {
    awk -v rows="$1" 'BEGIN {
        x = 7
        print "a,b,y"
        for (i = 0; i < rows; i++) {
            x = (x * 16807) % 2147483647; a = x / 2147483647
            x = (x * 16807) % 2147483647; b = x / 2147483647
            printf "%.5f,%.5f,%.5f\n", a, b, a * a - b + 5
        }
    }'
}

# A model small enough that an epoch of a few hundred rows takes milliseconds.
small_model() {
    echo '{"d_main": 12, "d_multiplier": 1.5, "context_dropout": 0.2, "dropout0": 0.1, "lr": 0.003}'
}
