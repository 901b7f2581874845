# Read by tests that train an encoder, from their empty folder: pieces/vocab.txt, a tokenizer of a few words; encoder.json, the
# configuration of a BERT for it; encoder.txt, some sentences of these words. shellcheck shell=sh
mkdir pieces
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' the cat sat on mat and rat said of number , >pieces/vocab.txt
cat >encoder.json <<'END'
{"model_type": "bert", "vocab_size": 16, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
 "num_attention_heads": 2, "max_position_embeddings": 32}
END
for i in 1 2 3 4 5 6; do
    echo "the cat sat on the mat and the rat sat on the cat , said the cat of number"
done >encoder.txt
